"""The second study: ways to extend scratch and to retrieve, on the same inherited memory."""
