"""Sends people and events through Segment's own library, as a customer's service does.

stream.py HOST WRITE_KEY FIRST COUNT [gzip]: identifies COUNT people from number FIRST on, and tracks one event of each;
with `gzip`, the library packs what it sends.
Ends with an error if anything could not be handed over."""
import sys

from segment.analytics.client import Client

host, key, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
failed = []
client = Client(
    key,
    host=host,
    max_queue_size=1_000_000,
    max_retries=20,
    gzip="gzip" in sys.argv[5:],
    on_error=lambda error, items: failed.append((str(error), len(items))),
)
for n in range(first, first + count):
    client.identify(f"p{n}", {"email": f"p{n}@example.com", "plan": "pro" if n % 10 else "free"})
    client.track(f"p{n}", "Lapsed", {"n": n})
client.flush()
client.join()
if failed:
    sys.exit(f"not handed over: {failed[:3]}")
print(count)
