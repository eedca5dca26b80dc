"""The benchmark (`python -m bench`) and two separate measurements: `bench.full_state` and `bench.code_size`."""
