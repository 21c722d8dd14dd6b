"""The published contract: topic names, payload models and their JSON Schemas.

What the daemon publishes and what any client reads: the gateway, the cluster dialogue, the operator's page and
tests share it. No I/O here.
"""
