"""The line as an OPC UA server: the contract's flat tags, and, given its nodeset, OPC 40100-1 Machine Vision."""
