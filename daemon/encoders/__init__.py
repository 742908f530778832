"""Everything that touches Keras and TensorFlow: the source's encoders, loading, fusing, engines.

Importing this package imports nothing; only commands that run a model import its modules.
"""
