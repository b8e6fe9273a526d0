"""Tests and benchmarks. They mirror the source."""
