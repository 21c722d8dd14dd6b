"""The cluster's own side: its jobs, what it does with limits, and how it speaks (cluster contract, version 1).

Written from the contract's text, without the code of the other side: messages are read and made as plain JSON.
"""
