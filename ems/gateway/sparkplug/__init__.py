"""The second publisher: the same values as a Sparkplug B 3.0 edge node, on a connection of its own."""
