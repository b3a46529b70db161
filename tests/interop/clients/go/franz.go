package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var franzCodecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

// franzProduce is idempotent: franz-go's default.
func franzProduce(bootstrap, topic, codec string, count int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(franzCodecs[codec]),
		kgo.ProducerLinger(20*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*kgo.Record
	for i := range count {
		key, value := record("franz-go", codec, i)
		records = append(records, &kgo.Record{
			Topic: topic, Partition: 0, Key: key, Value: value,
			Headers: []kgo.RecordHeader{{Key: "client", Value: []byte("franz-go")}},
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return client.ProduceSync(ctx, records...).FirstErr()
}

func franzConsume(bootstrap, topic string, count int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}},
	))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for seen := 0; seen < count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var headers []string
			for _, header := range r.Headers {
				headers = append(headers, header.Key+"="+string(header.Value))
			}
			show(r.Offset, r.Key, r.Value, headers)
			seen++
		})
	}
	return nil
}

func franzAdmin(bootstrap, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	admin := kadm.NewClient(client)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	retention := "12345678"
	configs := map[string]*string{"retention.ms": &retention}
	if _, err := admin.CreateTopic(ctx, 3, 1, configs, topic); err != nil {
		return err
	}
	fmt.Fprintln(out, "created")
	if _, err := admin.CreateTopic(ctx, 3, 1, configs, topic); errors.Is(err, kerr.TopicAlreadyExists) {
		fmt.Fprintln(out, "duplicate")
	}
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "partitions", len(topics[topic].Partitions))
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	for _, config := range described[0].Configs {
		if config.Key == "retention.ms" {
			fmt.Fprintln(out, "retention.ms", config.MaybeValue())
		}
	}
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	for {
		left, err := admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(left.Names(), topic) {
			break
		}
	}
	fmt.Fprintln(out, "deleted")
	return nil
}
