"""Evidence of change: canonical records, a chain of hashes, Merkle trees and signatures. Values in, values out."""
