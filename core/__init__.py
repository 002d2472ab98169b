"""The rules: values, states, policy, knowledge base and use cases."""
