"""Poses over HTTP: photographs in requests, batches through one net, one page to look at it.

settings.py   what a service is told · process.py runs it, in one process or several
protocol.py   connections
app.py        routes · uploads.py requests -> bytes · limits.py what is refused before it is decoded
photograph.py bytes -> pixels -> poses -> JSON · batching.py the bounded queue · served.py the models
metrics.py    counters · schema.py the shapes of answers · pages.py, page/ what people see
load.py       clients that measure it

Only `app`, `uploads` and `protocol` need what the extra [serve] installs.
"""
