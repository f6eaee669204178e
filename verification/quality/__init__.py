"""What is wrong with readings, as findings, and the gate through which the rest becomes windows of data."""
