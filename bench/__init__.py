"""The benchmark (`python -m bench`) and two measurements of their own: `bench.full_state` and `bench.code_size`."""
