"""`ems devices`: what the engineer who commissions a site does with the devices, one command per module."""
