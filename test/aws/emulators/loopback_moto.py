"""moto's S3, KMS, ACM, Route 53 and Parameter Store on a free port of the loopback interface.

Prints "port N" when it listens, and ends with its standard input, however the process that started it ends.
"""

import logging
import os
import sys

# A certificate counts as validated after this many seconds; moto's own 60 would be most of the tests' time.
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "1")

from moto.server import ThreadedMotoServer

# One line for each request, on a stream without a reader.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
print(f"port {port}", flush=True)
sys.stdin.read()
server.stop()
