"""The least that a client of asyncua can do: `python -m tests.bench.bare_opcua_client URL TAGS SECONDS`.

Subscribes through the low-level session, counts the values that the library has decoded, and drops them. Prints the
processor time and the number of values of the span, which begins once every tag has been seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from asyncua import Client, ua

PUBLISHING_MS = 500


class Counted:
    def __init__(self) -> None:
        self.values = 0

    async def on_publish(self, result: ua.PublishResult) -> None:
        for notification in result.NotificationMessage.NotificationData or []:
            self.values += len(notification.MonitoredItems)


async def main(url: str, tags: int, seconds: float) -> None:
    counted = Counted()
    client = Client(url, timeout=30)
    async with client:
        session = client.uaclient.session
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=PUBLISHING_MS,
            RequestedLifetimeCount=1_000,
            RequestedMaxKeepAliveCount=10,
            PublishingEnabled=True,
        )
        subscription = await session.create_subscription(wanted, counted.on_publish)
        for first in range(0, tags, 500):
            items = [
                ua.MonitoredItemCreateRequest(
                    ItemToMonitor=ua.ReadValueId(NodeId=ua.NodeId(f"t{number}", 1), AttributeId=ua.AttributeIds.Value),
                    MonitoringMode=ua.MonitoringMode.Reporting,
                    RequestedParameters=ua.MonitoringParameters(
                        ClientHandle=number,
                        SamplingInterval=0,
                        QueueSize=1_000,
                        DiscardOldest=True,
                        Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
                    ),
                )
                for number in range(first, min(first + 500, tags))
            ]
            await session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(subscription.SubscriptionId, ua.TimestampsToReturn.Both, items)
            )
        while counted.values < 2 * tags:  # noqa: ASYNC110 - the library counts, not we
            await asyncio.sleep(0.05)
        values, cpu_s = counted.values, time.process_time()
        await asyncio.sleep(seconds)
        print(json.dumps({"values": counted.values - values, "cpu_s": time.process_time() - cpu_s}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
