"""What leaves the daemon for people and other systems: MQTT messages and the historian's record.

Builders of messages and points are pure; the publisher and the historian take what they are handed and never wait.
Control knows nothing of this package.
"""
