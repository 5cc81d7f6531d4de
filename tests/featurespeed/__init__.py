"""Group D: one learning step of a residual network, and the feature speed formula."""
