"""A local lab for Evenkeel: an upstream mirror, base images and nodes, without the outside network at run time."""
