"""TikTok's official SDK against the lab: list advertisers, upload, create, list, append, remove. argv: the
address and, for HTTPS, the authority to trust."""

import hashlib
import json
import sys
import tempfile

import business_api_client as tiktok

ADVERTISER = "7000000000000000001"
configuration = tiktok.Configuration()
configuration.host = sys.argv[1]
if len(sys.argv) > 2:
    configuration.ssl_ca_cert = sys.argv[2]
client = tiktok.ApiClient(configuration)
audiences = tiktok.AudienceApi(client)
token = "any-token"


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


def upload(hashes):
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
        file.write("\n".join(hashes))
    with open(file.name, "rb") as file:
        signature = hashlib.md5(file.read()).hexdigest()
    answer = audiences.dmp_custom_audience_file_upload(
        access_token=token,
        advertiser_id=ADVERTISER,
        file=file.name,
        file_signature=signature,
        calculate_type="EMAIL_SHA256",
    )
    return data(answer)["file_path"]


def data(answer):
    answer = answer if isinstance(answer, dict) else answer.to_dict()
    return answer.get("data", answer)


everyone = [digest(f"person{n}@example.com") for n in range(1500)]
made = data(
    audiences.dmp_custom_audience_create(
        access_token=token,
        body={
            "advertiser_id": ADVERTISER,
            "custom_audience_name": "Made by the SDK",
            "calculate_type": "EMAIL_SHA256",
            "file_paths": [upload(everyone[:1200])],
        },
    )
)
audience = made["custom_audience_id"]
listed = data(audiences.dmp_custom_audience_list(advertiser_id=ADVERTISER, access_token=token))
assert any(a["audience_id"] == audience for a in listed["list"]), listed
for action, hashes in (("APPEND", everyone[1200:]), ("REMOVE", everyone[:200])):
    audiences.dmp_custom_audience_update(
        access_token=token,
        body={
            "advertiser_id": ADVERTISER,
            "custom_audience_id": audience,
            "action": action,
            "file_paths": [upload(hashes)],
        },
    )
print(json.dumps({"audience": audience, "hashes": sorted(everyone[200:])}))
