"""The fault suite: two processes of a candidate under load while services fail and clients misbehave."""
