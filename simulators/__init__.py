"""Plants with known true effects, seeded, as real OPC UA servers and MQTT devices.

Imports nothing of ours, so that it is an independent oracle: what it says it produced is the truth that tests count
against. `potline` is the physics, `timeline` the calendar, `scenarios` the plants by name, `ledger` what was produced,
`opcua_server` and `badge_gate` the two devices, `plant` the process that runs them.
"""
