"""A small certificate authority for the broker and the HTTPS uplink: authority, servers, devices, revocation."""
