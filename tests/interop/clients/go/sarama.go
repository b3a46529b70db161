package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func saramaProduce(bootstrap, topic, codec string, count int) error {
	config := sarama.NewConfig()
	config.Producer.Compression = saramaCodecs[codec]
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1 // sarama demands it of idempotent producers
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for i := range count {
		key, value := record("sarama", codec, i)
		message := &sarama.ProducerMessage{
			Topic: topic, Partition: 0,
			Headers: []sarama.RecordHeader{{Key: []byte("client"), Value: []byte("sarama")}},
		}
		// An interface that holds a nil slice is not nil: null must be left unset.
		if key != nil {
			message.Key = sarama.ByteEncoder(key)
		}
		if value != nil {
			message.Value = sarama.ByteEncoder(value)
		}
		messages = append(messages, message)
	}
	return producer.SendMessages(messages)
}

func saramaConsume(bootstrap, topic string, count int) error {
	consumer, err := sarama.NewConsumer([]string{bootstrap}, sarama.NewConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	for range count {
		select {
		case message := <-partition.Messages():
			var headers []string
			for _, header := range message.Headers {
				headers = append(headers, string(header.Key)+"="+string(header.Value))
			}
			show(message.Offset, message.Key, message.Value, headers)
		case <-time.After(time.Minute):
			return errors.New("no record within a minute")
		}
	}
	return nil
}

func saramaAdmin(bootstrap, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, sarama.NewConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	retention := "12345678"
	detail := &sarama.TopicDetail{
		NumPartitions: 3, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &retention},
	}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return err
	}
	fmt.Fprintln(out, "created")
	if err := admin.CreateTopic(topic, detail, false); errors.Is(err, sarama.ErrTopicAlreadyExists) {
		fmt.Fprintln(out, "duplicate")
	}
	topics, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "partitions", len(topics[0].Partitions))
	entries, err := admin.DescribeConfig(sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"},
	})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		fmt.Fprintln(out, entry.Name, entry.Value)
	}
	if err := admin.DeleteTopic(topic); err != nil {
		return err
	}
	for {
		left, err := admin.ListTopics()
		if err != nil {
			return err
		}
		if _, found := left[topic]; !found {
			break
		}
	}
	fmt.Fprintln(out, "deleted")
	return nil
}
