"""How fast the encoders and the way over LSL are on this computer.

encoders  this project's engines, Keras, and peers
peers     the same weights in PyTorch and ONNX Runtime
loopback  from the last sample pushed to the marker received
"""
