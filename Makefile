# The one command runner. `make help` lists the targets; every recipe is a line or a script in tools/.
# Portable on purpose: make 3.81, POSIX sh, paths with spaces (so: relative paths only).

.POSIX:
.PHONY: help dev test check bench conversation fmt setup prerequisites python node clean

# dev builds fast, release runs fast.
PROFILE = dev

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

prerequisites:
	@tools/prerequisites.sh

setup: prerequisites .venv/.ready node_modules/.ready ## install the development tools of Python and Node into the clone

.venv/.ready: tools/requirements.txt tools/venv.sh
	@echo '== setting up .venv'
	@tools/venv.sh

node_modules/.ready: package.json package-lock.json bindings/node/package.json tools/node-modules.sh
	@echo '== setting up node_modules'
	@tools/node-modules.sh

python: prerequisites .venv/.ready ## build the Python package into .venv
	@echo '== building the Python package ($(PROFILE))'
	@tools/extension.sh $(PROFILE)

node: prerequisites node_modules/.ready ## build the Node package
	@echo '== building the Node package ($(PROFILE))'
	@tools/addon.sh $(PROFILE)

clean: ## remove everything that make has built or installed
	rm -rf .venv .cache node_modules target bindings/node/lib bindings/node/native.cjs tests/node/build
	rm -f bindings/node/*.node bindings/python/python/stargazer_core/_native*.so
