"""Tests; one package per part of the product, campaigns in `campaigns`."""
