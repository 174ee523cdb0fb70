# SPDX-License-Identifier: MIT
"""Java: the compiler and a program with many threads, on two collectors.

Its own heap is mapped; all else is malloc's.
"""

PROGRAMS = {"java": "openjdk-17-jdk-headless", "javac": "openjdk-17-jdk-headless"}

JOB = r"""
import java.io.*;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Job {
    static String work(int seed) throws Exception {
        Random random = new Random(seed);
        TreeMap<String, List<Integer>> table = new TreeMap<>();
        for (int i = 0; i < 20000; i++)
            table.computeIfAbsent("key" + random.nextInt(4000), k -> new ArrayList<>()).add(i);
        byte[] text = table.toString().getBytes("UTF-8");
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream stream = new GZIPOutputStream(packed)) { stream.write(text); }
        byte[] back = new GZIPInputStream(new ByteArrayInputStream(packed.toByteArray())).readAllBytes();
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(back);
        ByteBuffer[] buffers = new ByteBuffer[40];
        for (int i = 0; i < 400; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 + random.nextInt(100000));
            while (buffer.remaining() >= 8) buffer.putLong(i);
            buffers[random.nextInt(buffers.length)] = buffer;
        }
        for (ByteBuffer buffer : buffers) if (buffer != null) digest.update(buffer.flip());
        return HexFormat.of().formatHex(digest.digest());
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> results = new ArrayList<>();
        for (int i = 0; i < 24; i++) { int seed = i; results.add(pool.submit(() -> work(seed))); }
        for (Future<String> result : results) System.out.println(result.get());
        pool.shutdown();
        for (int round = 0; round < 20; round++) {
            Thread[] threads = new Thread[16];
            long[] sums = new long[threads.length];
            for (int i = 0; i < threads.length; i++) {
                int n = i;
                threads[i] = new Thread(() -> {
                    for (int k = 0; k < 10000; k++) sums[n] += String.valueOf(k * n).hashCode();
                });
                threads[i].start();
            }
            for (Thread thread : threads) thread.join();
            if (round % 10 == 0) System.out.println(Arrays.stream(sums).sum());
        }
        System.out.println(IntStream.range(0, 300000).parallel().mapToObj(Integer::toString)
            .collect(Collectors.groupingByConcurrent(String::length, Collectors.counting())));
    }
}
"""


def run(arm):
    # Its files of figures in /tmp/hsperfdata_USER would outlive the test.
    arm.environment["JAVA_TOOL_OPTIONS"] = "-XX:-UsePerfData"
    job = arm.write("Job.java", JOB)
    arm.run("java", "-XX:+UseParallelGC", "-Xmx256m", job, label="from source")
    arm.run("javac", "-g", "-d", arm.path("tmp"), job)
    arm.record_file("tmp/Job.class")
    arm.run("java", "-XX:+UseG1GC", "-Xmx192m", "-Xcheck:jni", "-cp", arm.path("tmp"), "Job", label="compiled")
