"""Criteo's official SDK against the lab: token, advertisers, create, search, add, remove. argv: the address."""

import hashlib
import json
import sys

from criteo_api_marketingsolutions_v2027_01.api import advertiser_api, audience_api
from criteo_api_marketingsolutions_v2027_01.api_client_builder import ApiClientBuilder
from criteo_api_marketingsolutions_v2027_01 import models

client = ApiClientBuilder.WithClientCredentials("any-app", "any-secret", host=sys.argv[1].rstrip("/"))
advertisers = advertiser_api.AdvertiserApi(client).list_advertisers()
assert any(one["id"] == "1" for one in advertisers["data"]), advertisers
audiences = audience_api.AudienceApi(client)


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


made = audiences.create_audience_segments(
    models.AudienceSegmentBulkCreateInputV1(
        data=[
            models.AudienceSegmentCreateEntityV1Resource(
                type="AudienceSegment",
                attributes=models.AudienceSegmentCreateEntityV1(
                    advertiser_id="1", name="Made by the SDK", contact_list={}
                ),
            )
        ]
    )
)
audience = made["data"][0]["id"]
found = audiences.search_audience_segments(
    models.AudienceSegmentSearchInputV1(
        data=models.AudienceSegmentSearchEntityV1Resource(
            type="AudienceSegment",
            attributes=models.AudienceSegmentSearchEntityV1(audience_segment_ids=[audience]),
        )
    )
)
assert found["data"][0]["attributes"]["name"] == "Made by the SDK", found

people = [digest(f"person{n}@example.com") for n in range(5)]
for operation, some in (("add", people), ("remove", people[:2])):
    audiences.update_contact_list_by_audience_segment(
        audience,
        contactlist_amendment_request=models.ContactlistAmendmentRequest(
            data=models.ContactlistAmendment(
                type="ContactlistAmendment",
                attributes=models.ContactlistAmendmentAttributes(
                    operation=operation, identifier_type="email", identifiers=some
                ),
            )
        ),
    )
print(json.dumps({"audience": audience, "hashes": sorted(people[2:])}))
