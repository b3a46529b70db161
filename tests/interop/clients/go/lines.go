package main

import (
	"bufio"
	"context"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franzWriteLines writes each line of standard input as a record of partition 0, as fast as they come.
func franzWriteLines(bootstrap, topic string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	var once sync.Once
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		value := append([]byte(nil), lines.Bytes()...)
		// Waits while too many records are buffered.
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return lines.Err()
}

// franzReadLines prints each record of partition 0, until it is killed.
func franzReadLines(bootstrap, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}},
	))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			out.Write(record.Value)
			out.WriteByte('\n')
		})
		if err := out.Flush(); err != nil {
			return err
		}
	}
}
