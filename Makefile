# The commands of the README and of CONTRIBUTING.md; each is one line of shell, to be run by hand too.
.PHONY: test quick bench peers deep

test: ## every check and every test, as CI runs them
	bash .ci/test

quick: ## formatting, lints and the tests of Rust, while working
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features "$$(bash .ci/features all)" --locked -- -D warnings
	cargo test --workspace --features "$$(bash .ci/features all)" --locked

bench: ## our figures against the physical limits
	cargo bench --locked

peers: ## the same, and other libraries on the same work
	cargo bench --locked --features opsbox-benches/peers

deep: ## what takes long
	bash .ci/deep
