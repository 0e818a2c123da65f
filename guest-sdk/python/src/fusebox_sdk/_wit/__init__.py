"""The host of a component, behind the bindings that componentize-py makes of the contract."""
