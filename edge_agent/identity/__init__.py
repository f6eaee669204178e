"""Who this device is: where its signing key lies, how the platform comes to know it, and how it is changed."""
