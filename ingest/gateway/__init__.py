"""Readings from gateways that are not ours, by Sparkplug B 3.0 or plain MQTT: trust grade 'transport', kept apart.

They carry no signature and no chain, QoS 0 and an 8-bit sequence lose messages unseen, so none of this is evidence as a
signed batch is. It has its own tables and its own way back (`read`), which shows the grade.
"""
