"""How good a model is, or a folder of pictures: figures between "did nothing" and "real", and how sure they are.

`domainxfer.evaluate` is the function `evaluate` of ``evaluate.py`` here.
"""
