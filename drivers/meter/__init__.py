"""Power meters of feeders and of the point of common coupling."""
