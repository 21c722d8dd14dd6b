"""Storage: the power conversion system and the battery containers behind it."""
