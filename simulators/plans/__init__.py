"""The plans under which the simulated plants are judged, as templates: the four dates are filled in for each plant."""
