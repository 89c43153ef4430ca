"""Pinterest's official SDK against the lab: create with people, list, add, remove. argv: the emulator's address."""

import hashlib
import json
import os
import sys

# The SDK reads it when it is imported.
os.environ["PINTEREST_API_URI"] = sys.argv[1].rstrip("/") + "/v5"

from pinterest.ads.customer_lists import CustomerList
from pinterest.client import PinterestSDKClient

ACCOUNT = "549755000000"
client = PinterestSDKClient.create_client_with_token("any-token")


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


people = [digest(f"person{n}@example.com") for n in range(5)]
made = CustomerList.create(
    ad_account_id=ACCOUNT, name="Made by the SDK", records=",".join(people[:3]), list_type="EMAIL", client=client
)
listed, _ = CustomerList.get_all(ad_account_id=ACCOUNT, client=client)
assert any(one.id == made.id and one.name == "Made by the SDK" for one in listed), listed
assert made.add_record(",".join(people[3:]))
assert made.remove_record(",".join(people[:2]))
print(json.dumps({"audience": made.id, "hashes": sorted(people[2:])}))
