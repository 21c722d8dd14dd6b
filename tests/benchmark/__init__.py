"""The dispatcher beside other ways to say the same problem: instances, stacks, and what each one needs."""
