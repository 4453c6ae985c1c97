"""The gateway: what inference found out, brought to the plant's controls over MQTT, Modbus and OPC UA."""
