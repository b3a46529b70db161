package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *console) topics() {
	c.page("create topic", func() (string, error) { return c.createTopic(2) })
	c.page("create topic again", func() (string, error) { return c.createTopic(2) })
	// EditTopicConfig
	c.page("edit topic", func() (string, error) { return c.editTopic("retention.ms", "7200000") })
	c.page("edit topic wrongly", func() (string, error) { return c.editTopic("retention.ms", "soon") })
	c.page("topics", c.topicsOverview)
	c.page("topic settings", func() (string, error) {
		configs, err := c.topicsConfigs([]string{consoleTopic}, nil)
		if err != nil {
			return "", err
		}
		undocumented, retention := 0, ""
		for _, config := range configs[consoleTopic] {
			if config.Documentation == nil || config.ConfigType.String() == "UNKNOWN" {
				undocumented++
			}
			if config.Name == "retention.ms" {
				retention = fmt.Sprintf("%s %s", *config.Value, config.Source)
			}
		}
		return fmt.Sprintf("%d, without documentation or type %d, retention.ms %s", len(configs[consoleTopic]), undocumented, retention), nil
	})
	// GetTopicConfigs of a topic that is not there
	c.page("settings of an absent topic", func() (string, error) {
		_, err := c.topicsConfigs([]string{"console-absent"}, nil)
		return "found", err
	})
}

// createTopic is CreateTopic.
func (c *console) createTopic(partitions int32) (string, error) {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = consoleTopic, partitions, -1
	policy := kmsg.NewCreateTopicsRequestTopicConfig()
	policy.Name, policy.Value = "cleanup.policy", kmsg.StringPtr("delete")
	topic.Configs = append(topic.Configs, policy)
	req := kmsg.NewCreateTopicsRequest()
	req.Topics = []kmsg.CreateTopicsRequestTopic{topic}
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	created := res.Topics[0]
	if err := kafkaError(created.ErrorCode, created.ErrorMessage); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d partitions, %d replicas, settings %t", created.NumPartitions, created.ReplicationFactor, len(created.Configs) > 20), nil
}

func (c *console) editTopic(name, value string) (string, error) {
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Op, config.Value = name, kmsg.IncrementalAlterConfigOpSet, &value
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceName, resource.ResourceType = consoleTopic, kmsg.ConfigResourceTypeTopic
	resource.Configs = append(resource.Configs, config)
	req := kmsg.NewIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource)
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	return "done", kafkaError(res.Resources[0].ErrorCode, res.Resources[0].ErrorMessage)
}

// topicsConfigs is GetTopicsConfigs; nil names: all settings.
func (c *console) topicsConfigs(topics, names []string) (map[string][]kmsg.DescribeConfigsResponseResourceConfig, error) {
	req := kmsg.NewDescribeConfigsRequest()
	for _, topic := range topics {
		req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{
			ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic, ConfigNames: names,
		})
	}
	req.IncludeDocumentation, req.IncludeSynonyms = true, true
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return nil, err
	}
	found := map[string][]kmsg.DescribeConfigsResponseResourceConfig{}
	for _, resource := range res.Resources {
		if err := kerr.ErrorForCode(resource.ErrorCode); err != nil {
			return nil, err
		}
		found[resource.ResourceName] = resource.Configs
	}
	return found, nil
}

// topicsOverview is GetTopicsOverview and logDirsByTopic: a replica without a size makes a hint.
func (c *console) topicsOverview() (string, error) {
	metadata, err := c.admin.Metadata(c.ctx)
	if err != nil {
		return "", err
	}
	if err := metadata.Topics.Error(); err != nil {
		return "", err
	}
	configs, err := c.topicsConfigs(metadata.Topics.Names(), []string{"cleanup.policy"})
	if err != nil {
		return "", err
	}
	directories, err := c.admin.DescribeAllLogDirs(c.ctx, nil)
	if err != nil {
		return "", err
	}
	sized := map[string]int{}
	directories.Each(func(dir kadm.DescribedLogDir) {
		dir.Topics.Each(func(p kadm.DescribedLogDirPartition) { sized[p.Topic]++ })
	})
	shown := []string{}
	for _, topic := range metadata.Topics.Sorted() {
		replicas := 0
		for _, partition := range topic.Partitions {
			replicas += len(partition.Replicas)
		}
		if topic.IsInternal {
			continue
		}
		shown = append(shown, fmt.Sprintf("%s %d partitions, %s, replicas without a size %d",
			topic.Topic, len(topic.Partitions), *configs[topic.Topic][0].Value, replicas-sized[topic.Topic]))
	}
	return strings.Join(shown, "; "), nil
}

// topicDetails is GetTopicDetails.
func (c *console) topicDetails() (string, error) {
	metadata, err := c.admin.Metadata(c.ctx, consoleTopic)
	if err != nil {
		return "", err
	}
	topic := metadata.Topics[consoleTopic]
	if topic.Err != nil {
		return "", topic.Err
	}
	logDirs := kmsg.NewDescribeLogDirsRequest()
	asked := kmsg.NewDescribeLogDirsRequestTopic()
	asked.Topic = consoleTopic
	for _, partition := range topic.Partitions.Sorted() {
		asked.Partitions = append(asked.Partitions, partition.Partition)
	}
	logDirs.Topics = append(logDirs.Topics, asked)
	directories, err := c.logDirs(&logDirs)
	if err != nil {
		return "", err
	}
	sizes := 0
	for _, dir := range directories {
		for _, found := range dir.Topics {
			sizes += len(found.Partitions)
		}
	}
	starts, ends, err := c.bounds()
	if err != nil {
		return "", err
	}
	shown := []string{}
	for _, partition := range topic.Partitions.Sorted() {
		if partition.Err != nil {
			return "", partition.Err
		}
		start, _ := starts.Lookup(consoleTopic, partition.Partition)
		end, _ := ends.Lookup(consoleTopic, partition.Partition)
		if err := errors.Join(start.Err, end.Err); err != nil {
			return "", err
		}
		shown = append(shown, fmt.Sprintf("%d: %d to %d, in sync %t, offline %d", partition.Partition, start.Offset, end.Offset,
			len(partition.ISR) == len(partition.Replicas), len(partition.OfflineReplicas)))
	}
	return fmt.Sprintf("%s, sizes %d", strings.Join(shown, "; "), sizes), nil
}

// bounds are the first offsets of the topic's partitions, and those at their ends.
func (c *console) bounds() (starts, ends kadm.ListedOffsets, err error) {
	if starts, err = c.admin.ListStartOffsets(c.ctx, consoleTopic); err != nil {
		return nil, nil, err
	}
	ends, err = c.admin.ListEndOffsets(c.ctx, consoleTopic)
	return starts, ends, err
}

func (c *console) messages() {
	// ProducePlainRecords, with each codec that the page offers
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		c.page("produce "+codec, func() (string, error) { return c.produce(codec) })
	}
	c.page("topic", c.topicDetails)
	// ListMessages: StartOffsetRecent, StartOffsetOldest and StartOffsetTimestamp
	c.page("messages, newest", func() (string, error) { return c.listMessages(2, "newest") })
	c.page("messages, oldest", func() (string, error) { return c.listMessages(5, "oldest") })
	c.page("messages of a time", func() (string, error) { return c.listMessages(5, "time") })
}

func (c *console) produce(codec string) (string, error) {
	opts := slices.Concat(c.cl.Opts(), []kgo.Opt{
		kgo.ProducerBatchCompression(franzCodecs[codec]),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
			return func(r *kgo.Record, n int) int { return int(r.Partition) }
		})),
	})
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return "", err
	}
	defer client.Close()
	record := &kgo.Record{Topic: consoleTopic, Key: []byte(codec), Value: []byte(strings.Repeat(codec, 100)), Partition: 1,
		Headers: []kgo.RecordHeader{{Key: "by", Value: []byte("console")}}}
	var failure error
	client.Produce(c.ctx, record, func(_ *kgo.Record, err error) { failure = err })
	if err := client.Flush(c.ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", record.Partition, record.Offset), failure
}

// listMessages is ListMessages and fetchMessages, of partition 1: the other one has no records.
func (c *console) listMessages(count int64, from string) (string, error) {
	starts, ends, err := c.bounds()
	if err != nil {
		return "", err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return "", err
	}
	start, _ := starts.Lookup(consoleTopic, 1)
	end, _ := ends.Lookup(consoleTopic, 1)
	at := start.Offset
	switch from {
	case "newest":
		at = max(start.Offset, end.Offset-count)
	case "time":
		if at, err = c.offsetOf(1); err != nil {
			return "", err
		}
	}
	opts := append(c.cl.Opts(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{consoleTopic: {1: kgo.NewOffset().At(at)}}))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return "", err
	}
	defer client.Close()
	shown := []string{}
	for int64(len(shown)) < count {
		fetches := client.PollFetches(c.ctx)
		if err := fetches.Err(); err != nil {
			return "", err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			shown = append(shown, fmt.Sprintf("%d:%d=%s/%s", r.Partition, r.Offset, r.Key, r.Headers[0].Value))
		})
	}
	return strings.Join(shown, " "), nil
}

// offsetOf is requestOffsetsByTimestamp.
func (c *console) offsetOf(timestamp int64) (int64, error) {
	req := kmsg.NewListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = consoleTopic
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp = 1, timestamp
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return 0, err
	}
	return res.Topics[0].Partitions[0].Offset, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
}

func (c *console) removal() {
	// DeleteTopicRecords
	c.page("delete records", func() (string, error) {
		topic := kmsg.NewDeleteRecordsRequestTopic()
		topic.Topic = consoleTopic
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		partition.Partition, partition.Offset = 1, 3
		topic.Partitions = append(topic.Partitions, partition)
		req := kmsg.NewDeleteRecordsRequest()
		req.Topics = append(req.Topics, topic)
		res, err := req.RequestWith(c.ctx, c.cl)
		if err != nil {
			return "", err
		}
		deleted := res.Topics[0].Partitions[0]
		return fmt.Sprintf("low watermark %d", deleted.LowWatermark), kerr.ErrorForCode(deleted.ErrorCode)
	})
	// DeleteTopic
	c.page("delete topic", c.deleteTopic)
	c.page("delete topic again", c.deleteTopic)
}

func (c *console) deleteTopic() (string, error) {
	req := kmsg.NewDeleteTopicsRequest()
	req.TopicNames = []string{consoleTopic}
	req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr(consoleTopic)}}
	req.TimeoutMillis = 30 * 1000
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	return "deleted", kerr.ErrorForCode(res.Topics[0].ErrorCode) // the console shows the broker's sentence, too
}
