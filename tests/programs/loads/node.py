# SPDX-License-Identifier: MIT
"""node: JSON, buffers, compression and digests, in the main thread and in workers that come and go."""

PROGRAMS = {"node": "nodejs"}

JOB = r"""
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib');

function work(seed) {
    let state = seed >>> 0;
    const random = (n) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return (state >>> 8) % n; };
    const digest = crypto.createHash('sha256');
    const table = new Map();
    for (let i = 0; i < 20000; i++) {
        const key = 'key' + random(5000);
        table.set(key, { id: i, list: Array.from({ length: random(9) }, () => random(100)),
                         text: 'x'.repeat(random(60)) });
        if (random(4) === 0) table.delete('key' + random(5000));
    }
    const text = JSON.stringify([...table].sort((a, b) => a[0] < b[0] ? -1 : 1));
    digest.update(JSON.stringify(JSON.parse(text)));
    const buffers = [];
    for (let i = 0; i < 3000; i++) {
        buffers[random(200)] = Buffer.alloc(random(60000), i % 251);
    }
    buffers.forEach((buffer, i) => { digest.update(String(i)); digest.update(buffer); });
    const packed = zlib.brotliCompressSync(Buffer.from(text.slice(0, 200000)),
        { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } });
    digest.update(zlib.brotliDecompressSync(packed));
    digest.update(zlib.gunzipSync(zlib.gzipSync(text)));
    digest.update(text.replace(/key(\d+)/g, (all, n) => n * 2));
    return digest.digest('hex');
}

if (!isMainThread) {
    parentPort.postMessage(work(workerData));
} else {
    const start = (seed) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: seed });
        let answer;
        worker.on('message', (text) => { answer = text; });
        worker.on('error', reject);
        worker.on('exit', (status) => status ? reject(new Error('status ' + status)) : resolve(answer));
    });
    (async () => {
        console.log(work(1));
        for (let round = 0; round < 4; round++)
            console.log((await Promise.all([1, 2, 3, 4].map((n) => start(round * 4 + n)))).join('\n'));
        const keys = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => new Promise((resolve, reject) =>
            crypto.scrypt('word' + n, 'salt', 32, (error, key) =>
                error ? reject(error) : resolve(key.toString('hex'))))));
        console.log(keys.join('\n'));
    })();
}
"""


def run(arm):
    arm.run("node", arm.write("job.js", JOB), timeout=100)
