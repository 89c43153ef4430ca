"""Meta's official SDK against the lab: list accounts, create, list, add, remove. argv: the emulator's address
and, for HTTPS, the authority to trust."""

import hashlib
import json
import sys

from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

FacebookSession.GRAPH = sys.argv[1]
api = FacebookAdsApi.init(access_token="any-token", api_version="v26.0")
if len(sys.argv) > 2:
    # The SDK brings authorities of its own.
    api._session.requests.verify = sys.argv[2]

accounts = [account["id"] for account in User(fbid="me").get_ad_accounts(fields=["id", "name"])]
assert "act_1" in accounts, accounts

account = AdAccount("act_1")
made = account.create_custom_audience(
    params={
        "name": "Made by the SDK",
        "subtype": "CUSTOM",
        "customer_file_source": "USER_PROVIDED_ONLY",
        "description": "sdk",
    }
)
listed = {a["id"]: a["name"] for a in account.get_custom_audiences(fields=["id", "name"])}
assert listed[made["id"]] == "Made by the SDK", listed

audience = CustomAudience(made["id"])
people = [f"person{n}@example.com" for n in range(5)]
answer = audience.add_users(schema=CustomAudience.Schema.email_hash, users=people)
assert int(answer.json()["num_received"]) == 5, answer.json()
answer = audience.remove_users(schema=CustomAudience.Schema.email_hash, users=people[:2])
assert int(answer.json()["num_received"]) == 2, answer.json()

hashes = sorted(hashlib.sha256(p.encode()).hexdigest() for p in people[2:])
print(json.dumps({"audience": made["id"], "hashes": hashes}))
