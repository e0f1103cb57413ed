"""The papers' claims as trainings that can be repeated, and what the finished ones decide.

model.py     what a claim is made of: arms, trainings, measures, contrasts
papers/      the claims, a file a paper; ledger.py all of them
raw.py       what stays of a training: counts per photograph in a small JSON file
figures.py   counts -> shares; bootstrap.py shares -> intervals over seeds and photographs
rows.py      raw files -> the ledger's rows; table.py, render.py what is shown of them
todo.py      what is missing, in which order, and what it costs; work.py does it, step by step
sets.py      the persons that are trained and measured on; labels.py what labels alone decide
resolve.py, training.py, measuring.py, speed.py     (torch) a recipe, a training, a measurement, a
             published net's speed
"""
