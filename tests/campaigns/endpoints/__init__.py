"""Many endpoints on loopback: the devices in processes of their own, what their clients cost and how fast they are."""
