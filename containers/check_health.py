"""Ask an address whether it answers, for a container's health check: the image has no curl."""

import socket
import sys
import urllib.request
from urllib.parse import urlsplit

SECONDS = 4


def main(url):
    """Open a page, or of tcp:// a connection; what goes wrong is the exit code."""
    if url.startswith("tcp://"):
        parts = urlsplit(url)
        socket.create_connection((parts.hostname, parts.port), timeout=SECONDS).close()
    else:
        urllib.request.urlopen(url, timeout=SECONDS).close()


if __name__ == "__main__":
    main(sys.argv[1])
