r"""Steps of inference on the CPU, compiled: one sweep over the layers does all that a step does to them.

Shapes: H hidden layers, N width, D input, K output, B batch, a multiple of the numbers in a vector register. One
member; arrays are C-ordered with samples last, all of one dtype, and so are the numbers passed along.

`products` multiplies matrices, `sweeps` moves activities; what an activation function does in them is its own
(`deepcredit.nets.compiled`).
"""
