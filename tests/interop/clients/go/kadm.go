package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	kadmTopic = "kadm-orders"
	kadmGroup = "kadm-billing"
)

// kadmStart is the time of the first record.
var kadmStart = time.Now().UnixMilli()

// adminCalls calls franz-go's admin client: each method that applies. A line for each, as ../../administration/java/Pages.java says.
type adminCalls struct {
	ctx   context.Context
	admin *kadm.Client
}

func runKadm(bootstrap string) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(10*time.Millisecond), // kadm shows metadata of this age
	)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := &adminCalls{ctx, kadm.NewClient(cl)}
	defer a.admin.Close()
	a.cluster()
	a.topics()
	a.configs()
	a.records(cl)
	if err := a.groups(bootstrap); err != nil {
		return err
	}
	a.security()
	a.show("delete topics", func() (any, error) {
		res, err := a.admin.DeleteTopics(a.ctx, kadmTopic, "kadm-absent")
		if err != nil {
			return nil, err
		}
		return errors.Join(res[kadmTopic].Err, res["kadm-absent"].Err), nil
	})
	return nil
}

func (a *adminCalls) show(name string, call func() (any, error)) {
	shown, err := call()
	printShown("kadm", name, shown, err)
}

func (a *adminCalls) cluster() {
	a.show("brokers", func() (any, error) {
		metadata, err := a.admin.BrokerMetadata(a.ctx)
		return fmt.Sprint(metadata.Brokers.NodeIDs(), metadata.Controller >= 0, len(metadata.Cluster)), err
	})
	a.show("versions", func() (any, error) {
		versions, err := a.admin.ApiVersions(a.ctx)
		if err != nil {
			return nil, err
		}
		broker := versions[1]
		max, hasProduce := broker.KeyMaxVersion(0)
		return fmt.Sprint(hasProduce, max), broker.Err
	})
	a.show("keep feature", func() (any, error) {
		res, err := a.admin.UpdateFeatures(a.ctx, true, kadm.FeatureUpdate{Feature: "metadata.version", MaxVersionLevel: 30, UpgradeType: 1})
		if err != nil {
			return nil, err
		}
		return "kept", res["metadata.version"].Err
	})
	a.show("transactions", func() (any, error) {
		listed, err := a.admin.ListTransactions(a.ctx, nil, nil)
		return len(listed), err
	})
}

func (a *adminCalls) topics() {
	retention := "7200000"
	a.show("validate topic", func() (any, error) {
		res, err := a.admin.ValidateCreateTopics(a.ctx, 2, -1, nil, kadmTopic)
		if err != nil {
			return nil, err
		}
		return res[kadmTopic].NumPartitions, res[kadmTopic].Err
	})
	a.show("create topic", func() (any, error) {
		res, err := a.admin.CreateTopic(a.ctx, 2, -1, map[string]*string{"retention.ms": &retention}, kadmTopic)
		return fmt.Sprint(res.NumPartitions, res.ReplicationFactor, *res.Configs["retention.ms"].Value), err
	})
	a.show("create topic again", func() (any, error) {
		res, err := a.admin.CreateTopics(a.ctx, 2, 1, nil, kadmTopic)
		return res[kadmTopic].ErrMessage, err
	})
	a.show("add partitions", func() (any, error) {
		res, err := a.admin.CreatePartitions(a.ctx, 1, kadmTopic)
		return res[kadmTopic].ErrMessage, errors.Join(err, res.Error())
	})
	a.show("fewer partitions", func() (any, error) {
		res, err := a.admin.UpdatePartitions(a.ctx, 1, kadmTopic)
		return res[kadmTopic].ErrMessage, err
	})
	a.show("topics", func() (any, error) {
		topics, err := a.admin.ListTopics(a.ctx, kadmTopic)
		if err != nil {
			return nil, err
		}
		topic := topics[kadmTopic]
		return fmt.Sprint(topics.Names(), topic.Partitions.Numbers(), topic.Partitions.NumReplicas(), topic.IsInternal), topic.Err
	})
	a.show("reassign to where it is", func() (any, error) {
		var req kadm.AlterPartitionAssignmentsReq
		req.Assign(kadmTopic, 0, []int32{1})
		res, err := a.admin.AlterPartitionAssignments(a.ctx, req)
		if err != nil {
			return nil, err
		}
		return "accepted", res.Error()
	})
	a.show("cancel a reassignment", func() (any, error) {
		var req kadm.AlterPartitionAssignmentsReq
		req.CancelAssign(kadmTopic, 0)
		res, err := a.admin.AlterPartitionAssignments(a.ctx, req)
		return res.Error(), err
	})
	a.show("reassignments", func() (any, error) {
		found, err := a.admin.ListPartitionReassignments(a.ctx, nil)
		return len(found), err
	})
	a.show("elect leaders", func() (any, error) {
		res, err := a.admin.ElectLeaders(a.ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{kadmTopic: {0: {}}})
		return res[kadmTopic][0].Err, err
	})
}

func (a *adminCalls) configs() {
	topicConfig := func(name string) (any, error) {
		found, err := a.admin.DescribeTopicConfigs(a.ctx, kadmTopic)
		return configOf(found, name), err
	}
	value := func(op kadm.IncrementalOp, name, value string) []kadm.AlterConfig {
		return []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}
	}
	altered := func(res kadm.AlterConfigsResponses, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		if res[0].Err != nil {
			return fmt.Sprint(res[0].Err, "; ", res[0].ErrMessage), nil
		}
		return "done", nil
	}
	a.show("topic setting", func() (any, error) { return topicConfig("retention.ms") })
	a.show("append to topic setting", func() (any, error) {
		return altered(a.admin.AlterTopicConfigs(a.ctx, value(kadm.AppendConfig, "cleanup.policy", "compact"), kadmTopic))
	})
	a.show("topic setting, appended", func() (any, error) { return topicConfig("cleanup.policy") })
	a.show("wrong topic setting", func() (any, error) {
		return altered(a.admin.ValidateAlterTopicConfigs(a.ctx, value(kadm.SetConfig, "retention.ms", "soon"), kadmTopic))
	})
	a.show("topic settings by the legacy call", func() (any, error) {
		return altered(a.admin.AlterTopicConfigsState(a.ctx, value(kadm.SetConfig, "retention.ms", "3600000"), kadmTopic))
	})
	a.show("topic setting, replaced", func() (any, error) { return topicConfig("retention.ms") })
	a.show("topic setting, reset by it", func() (any, error) { return topicConfig("cleanup.policy") })
	brokerConfig := func() (any, error) {
		found, err := a.admin.DescribeBrokerConfigs(a.ctx, 1)
		return configOf(found, "log.retention.ms"), err
	}
	a.show("set broker setting", func() (any, error) {
		return altered(a.admin.AlterBrokerConfigs(a.ctx, value(kadm.SetConfig, "log.retention.ms", "43200000"), 1))
	})
	a.show("broker setting", brokerConfig)
	a.show("set broker setting of all", func() (any, error) {
		return altered(a.admin.AlterBrokerConfigs(a.ctx, value(kadm.SetConfig, "log.retention.ms", "21600000")))
	})
	a.show("broker setting, still its own", brokerConfig)
	a.show("delete broker setting", func() (any, error) {
		return altered(a.admin.AlterBrokerConfigs(a.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "log.retention.ms"}}, 1))
	})
	a.show("broker setting of all", brokerConfig)
	a.show("topic setting, from all brokers", func() (any, error) {
		if _, err := a.admin.AlterTopicConfigs(a.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "retention.ms"}}, kadmTopic); err != nil {
			return nil, err
		}
		time.Sleep(callPause)
		return topicConfig("retention.ms")
	})
	a.show("delete broker setting of all", func() (any, error) {
		return altered(a.admin.AlterBrokerConfigs(a.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "log.retention.ms"}}))
	})
	a.show("read-only broker setting", func() (any, error) {
		return altered(a.admin.ValidateAlterBrokerConfigs(a.ctx, value(kadm.SetConfig, "node.id", "7"), 1))
	})
	a.show("resources with settings", func() (any, error) {
		found, err := a.admin.ListConfigResources(a.ctx, kmsg.ConfigResourceTypeTopic)
		names := []string{}
		for _, resource := range found.Sorted() {
			if resource.Name == kadmTopic {
				names = append(names, resource.Name)
			}
		}
		return names, errors.Join(err, found.Err)
	})
}

func configOf(found kadm.ResourceConfigs, name string) string {
	for _, config := range found[0].Configs {
		if config.Key == name {
			return fmt.Sprintf("%s %s sensitive %t", config.MaybeValue(), config.Source, config.Sensitive)
		}
	}
	return "absent"
}

func (a *adminCalls) records(cl *kgo.Client) {
	for i := range 6 {
		record := &kgo.Record{Topic: kadmTopic, Partition: int32(i % 2), Value: fmt.Appendf(nil, "value-%d", i), Timestamp: time.UnixMilli(kadmStart + int64(i))}
		if err := cl.ProduceSync(a.ctx, record).FirstErr(); err != nil {
			a.show("produce", func() (any, error) { return nil, err })
		}
	}
	offsets := func(name string, list func() (kadm.ListedOffsets, error)) {
		a.show(name, func() (any, error) {
			listed, err := list()
			shown := []string{}
			listed.Each(func(o kadm.ListedOffset) { shown = append(shown, fmt.Sprint(o.Partition, " at ", o.Offset)) })
			slices.Sort(shown)
			return strings.Join(shown, ", "), errors.Join(err, listed.Error())
		})
	}
	offsets("start offsets", func() (kadm.ListedOffsets, error) { return a.admin.ListStartOffsets(a.ctx, kadmTopic) })
	offsets("end offsets", func() (kadm.ListedOffsets, error) { return a.admin.ListEndOffsets(a.ctx, kadmTopic) })
	offsets("committed offsets", func() (kadm.ListedOffsets, error) { return a.admin.ListCommittedOffsets(a.ctx, kadmTopic) })
	offsets("offsets of the newest", func() (kadm.ListedOffsets, error) { return a.admin.ListMaxTimestampOffsets(a.ctx, kadmTopic) })
	offsets("offsets of a time", func() (kadm.ListedOffsets, error) {
		return a.admin.ListOffsetsAfterMilli(a.ctx, kadmStart+3, kadmTopic)
	})
	offsets("local start offsets", func() (kadm.ListedOffsets, error) { return a.admin.ListLocalLogStartOffsets(a.ctx, kadmTopic) })
	a.show("offset of a leader epoch", func() (any, error) {
		var req kadm.OffsetForLeaderEpochRequest
		req.Add(kadmTopic, 0, 0)
		found, err := a.admin.OffsetForLeaderEpoch(a.ctx, req)
		answer := found[kadmTopic][0]
		return fmt.Sprint(answer.LeaderEpoch, " ends at ", answer.EndOffset), errors.Join(err, answer.Err)
	})
	a.show("producers", func() (any, error) {
		found, err := a.admin.DescribeProducers(a.ctx, kadm.TopicsSet{kadmTopic: {0: {}}})
		shown := []string{}
		found.EachProducer(func(p kadm.DescribedProducer) {
			shown = append(shown, fmt.Sprint(p.Partition, p.ProducerEpoch, p.LastSequence, p.LastTimestamp-kadmStart, p.CurrentTxnStartOffset))
		})
		return shown, err
	})
	a.show("log directories", func() (any, error) {
		found, err := a.admin.DescribeAllLogDirs(a.ctx, kadm.TopicsSet{kadmTopic: {0: {}, 2: {}}})
		shown := []string{}
		found.Each(func(dir kadm.DescribedLogDir) {
			dir.Topics.Each(func(p kadm.DescribedLogDirPartition) {
				shown = append(shown, fmt.Sprint(p.Partition, p.Size > 0, p.IsFuture))
			})
		})
		slices.Sort(shown)
		return shown, err
	})
	a.show("delete records", func() (any, error) {
		deleted := kadm.Offsets{}
		deleted.AddOffset(kadmTopic, 0, 2, -1)
		res, err := a.admin.DeleteRecords(a.ctx, deleted)
		return res[kadmTopic][0].LowWatermark, errors.Join(err, res.Error())
	})
}

func (a *adminCalls) security() {
	name := "kadm-heidi"
	entity := kadm.ClientQuotaEntity{{Type: "user", Name: &name}}
	entry := func(key string, value float64, remove bool) []kadm.AlterClientQuotaEntry {
		return []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: []kadm.AlterClientQuotaOp{{Key: key, Value: value, Remove: remove}}}}
	}
	altered := func(res kadm.AlteredClientQuotas, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(res[0].Err, " ", res[0].ErrMessage), nil
	}
	quotas := func() (any, error) {
		return a.admin.DescribeClientQuotas(a.ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "user", MatchType: kmsg.QuotasMatchTypeExact, MatchName: &name}})
	}
	a.show("validate quota", func() (any, error) {
		return altered(a.admin.ValidateAlterClientQuotas(a.ctx, entry("producer_byte_rate", 2048, false)))
	})
	a.show("quotas, none", quotas)
	a.show("set quota", func() (any, error) {
		return altered(a.admin.AlterClientQuotas(a.ctx, entry("producer_byte_rate", 2048, false)))
	})
	a.show("quotas", quotas)
	a.show("wrong quota", func() (any, error) {
		return altered(a.admin.AlterClientQuotas(a.ctx, entry("producer_byte_rate", 0.5, false)))
	})
	a.show("remove quota", func() (any, error) {
		return altered(a.admin.AlterClientQuotas(a.ctx, entry("producer_byte_rate", 0, true)))
	})
	a.show("create user", func() (any, error) {
		res, err := a.admin.AlterUserSCRAMs(a.ctx, nil, []kadm.UpsertSCRAM{{User: name, Mechanism: kadm.ScramSha256, Iterations: 8192, Password: "secret"}})
		return len(res), errors.Join(err, res.Error())
	})
	a.show("users", func() (any, error) {
		res, err := a.admin.DescribeUserSCRAMs(a.ctx, name, "kadm-absent")
		return fmt.Sprint(res[name].CredInfos, "; ", res["kadm-absent"].Err), err
	})
	a.show("delete user", func() (any, error) {
		res, err := a.admin.AlterUserSCRAMs(a.ctx, []kadm.DeleteSCRAM{{User: name, Mechanism: kadm.ScramSha256}}, nil)
		return len(res), errors.Join(err, res.Error())
	})
	acls := kadm.NewACLs().Topics(kadmTopic).Allow("User:x").AllowHosts().Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
	a.show("describe access control lists", func() (any, error) {
		res, err := a.admin.DescribeACLs(a.ctx, acls)
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(res[0].Err, "; ", res[0].ErrMessage), nil
	})
	a.show("create access control list", func() (any, error) {
		res, err := a.admin.CreateACLs(a.ctx, acls)
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(res[0].Err, "; ", res[0].ErrMessage), nil
	})
}
