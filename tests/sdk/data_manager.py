"""Google's official Data Manager library against the lab: create, list, ingest, remove. argv: the emulator's address."""

import hashlib
import json
import sys

from google.ads import datamanager_v1 as dm
from google.ads.datamanager_v1.services.ingestion_service.transports.rest import IngestionServiceRestTransport
from google.ads.datamanager_v1.services.user_list_service.transports.rest import UserListServiceRestTransport
from google.oauth2.credentials import Credentials

ACCOUNT = "1000000001"
PARENT = f"accountTypes/GOOGLE_ADS/accounts/{ACCOUNT}"
scheme, host = sys.argv[1].rstrip("/").split("://")
reach = {"host": host, "url_scheme": scheme, "credentials": Credentials(token="any-token")}
lists = dm.UserListServiceClient(transport=UserListServiceRestTransport(**reach))
members = dm.IngestionServiceClient(transport=IngestionServiceRestTransport(**reach))

made = lists.create_user_list(
    parent=PARENT,
    user_list=dm.UserList(
        display_name="Made by the SDK",
        ingested_user_list_info=dm.IngestedUserListInfo(
            upload_key_types=["CONTACT_ID"],
            contact_id_info=dm.ContactIdInfo(
                data_source_type="DATA_SOURCE_TYPE_FIRST_PARTY"
            ),
        ),
    ),
)
audience = made.name.rsplit("/", 1)[1]
listed = {one.name: one.display_name for one in lists.list_user_lists(parent=PARENT)}
assert listed[made.name] == "Made by the SDK", listed


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


people = [digest(f"person{n}@example.com") for n in range(5)]
account = dm.ProductAccount(account_type="GOOGLE_ADS", account_id=ACCOUNT)
destination = dm.Destination(operating_account=account, login_account=account, product_destination_id=audience)


def of(people):
    identifiers = lambda person: dm.UserData(user_identifiers=[dm.UserIdentifier(email_address=person)])
    return [dm.AudienceMember(user_data=identifiers(person)) for person in people]


granted = dm.ConsentStatus.CONSENT_GRANTED
answer = members.ingest_audience_members(
    dm.IngestAudienceMembersRequest(
        destinations=[destination],
        audience_members=of(people),
        consent=dm.Consent(ad_user_data=granted, ad_personalization=granted),
        encoding=dm.Encoding.HEX,
        terms_of_service=dm.TermsOfService(
            customer_match_terms_of_service_status=dm.TermsOfServiceStatus.ACCEPTED
        ),
    )
)
assert answer.request_id, answer
status = members.retrieve_request_status(dm.RetrieveRequestStatusRequest(request_id=answer.request_id))
assert len(status.request_status_per_destination) == 1, status
members.remove_audience_members(
    dm.RemoveAudienceMembersRequest(
        destinations=[destination], audience_members=of(people[:2]), encoding=dm.Encoding.HEX
    )
)
print(json.dumps({"audience": audience, "hashes": sorted(people[2:])}))
