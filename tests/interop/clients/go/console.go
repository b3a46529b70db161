package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	consoleTopic = "console-orders"
	consoleGroup = "console-billing"
)

// console replays Redpanda Console (redpanda-data/console, August 2026): what the functions of its package backend/pkg/console ask, in
// their order. Each page prints a line as ../../administration/java/Pages.java says; the function that a page mirrors stands behind it.
type console struct {
	ctx   context.Context
	cl    *kgo.Client
	admin *kadm.Client
}

// runConsole: the client of NewKgoConfig in backend/pkg/factory/kafka.
func runConsole(bootstrap string) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ClientID("redpanda-console"),
		kgo.FetchMaxBytes(5*1000*1000),
		kgo.MaxConcurrentFetches(12),
		kgo.KeepControlRecords(),
		kgo.MetadataMinAge(10*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &console{ctx: ctx, cl: cl, admin: kadm.NewClient(cl)}
	c.cluster()
	c.topics()
	c.messages()
	c.groups()
	c.security()
	c.removal()
	return nil
}

func (c *console) page(name string, show func() (string, error)) {
	shown, err := show()
	printShown("redpanda-console", name, shown, err)
}

// kafkaError is newKafkaErrorWithDynamicMessage.
func kafkaError(code int16, message *string) error {
	static := kerr.TypedErrorForCode(code)
	if static == nil {
		return nil
	}
	if message == nil {
		return static
	}
	return fmt.Errorf("%w: %s", static, *message)
}

func (c *console) cluster() {
	// GetEndpointCompatibility: what is greyed out
	c.page("features", func() (string, error) {
		req := kmsg.NewApiVersionsRequest()
		req.ClientSoftwareVersion, req.ClientSoftwareName = "3.0.0", "RPConsole"
		res, err := req.RequestWith(c.ctx, c.cl)
		if err != nil {
			return "", err
		}
		versions := kversion.FromApiVersionsResponse(res)
		var missing []string
		for _, endpoint := range []struct {
			name     string
			requests []kmsg.Request
		}{
			{"cluster config", []kmsg.Request{&kmsg.DescribeConfigsRequest{}}},
			{"groups", []kmsg.Request{&kmsg.DescribeGroupsRequest{}, &kmsg.ListGroupsRequest{}}},
			{"delete records", []kmsg.Request{&kmsg.DeleteRecordsRequest{}}},
			{"edit offsets", []kmsg.Request{&kmsg.OffsetCommitRequest{}}},
			{"delete group", []kmsg.Request{&kmsg.DeleteGroupsRequest{}}},
			{"delete offsets", []kmsg.Request{&kmsg.OffsetDeleteRequest{}}},
			{"reassignments", []kmsg.Request{&kmsg.ListPartitionReassignmentsRequest{}}},
			{"reassign", []kmsg.Request{&kmsg.IncrementalAlterConfigsRequest{}, &kmsg.AlterPartitionAssignmentsRequest{}}},
			{"quotas", []kmsg.Request{&kmsg.DescribeClientQuotasRequest{}}},
			{"users", []kmsg.Request{&kmsg.DescribeUserSCRAMCredentialsRequest{}}},
			{"edit users", []kmsg.Request{&kmsg.AlterUserSCRAMCredentialsRequest{}}},
		} {
			for _, request := range endpoint.requests {
				if _, isSupported := versions.LookupMaxKeyVersion(request.Key()); !isSupported {
					missing = append(missing, endpoint.name)
				}
			}
		}
		return "missing " + strings.Join(missing, ", "), nil
	})
	c.page("overview", c.overview)
	c.page("brokers", c.brokers)
}

// overview is GetClusterInfo: log directories, metadata, a guess of the version, the settings of every broker.
func (c *console) overview() (string, error) {
	req := kmsg.NewDescribeLogDirsRequest()
	req.Topics = nil
	directories, err := c.logDirs(&req)
	if err != nil {
		return "", err
	}
	for _, dir := range directories {
		if err := kerr.ErrorForCode(dir.ErrorCode); err != nil {
			return "", err
		}
	}
	metadataReq := kmsg.NewMetadataRequest()
	metadata, err := metadataReq.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	// GetKafkaVersion
	answers, err := c.admin.ApiVersions(c.ctx)
	if err != nil {
		return "", err
	}
	guesses := map[string]bool{}
	for _, answer := range answers {
		if answer.Err != nil {
			return "", answer.Err
		}
		guesses[answer.VersionGuess()] = true
	}
	var settings []string
	for _, broker := range metadata.Brokers {
		configs, err := c.brokerConfig(broker.NodeID)
		if err != nil {
			return "", err
		}
		undocumented := 0
		for _, config := range configs {
			if config.Documentation == nil || config.ConfigType.String() == "UNKNOWN" || config.Source.String() == "UNKNOWN" {
				undocumented++
			}
		}
		settings = append(settings, fmt.Sprintf("%t without documentation, type or source %d", len(configs) > 100, undocumented))
	}
	isController := slices.ContainsFunc(metadata.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == metadata.ControllerID })
	return fmt.Sprintf("%d brokers, %d log directories, %d guess of the version, controller %t, settings %v",
		len(metadata.Brokers), len(directories), len(guesses), isController, settings), nil
}

// logDirs are those of all brokers.
func (c *console) logDirs(req *kmsg.DescribeLogDirsRequest) ([]kmsg.DescribeLogDirsResponseDir, error) {
	var directories []kmsg.DescribeLogDirsResponseDir
	for _, shard := range c.cl.RequestSharded(c.ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		directories = append(directories, shard.Resp.(*kmsg.DescribeLogDirsResponse).Dirs...)
	}
	return directories, nil
}

// brokerConfig is GetBrokerConfig.
func (c *console) brokerConfig(broker int32) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType = kmsg.ConfigResourceTypeBroker
	resource.ResourceName = fmt.Sprint(broker)
	req := kmsg.NewDescribeConfigsRequest()
	req.Resources = []kmsg.DescribeConfigsRequestResource{resource}
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return nil, err
	}
	return res.Resources[0].Configs, kafkaError(res.Resources[0].ErrorCode, res.Resources[0].ErrorMessage)
}

// brokers is GetBrokersWithLogDirs.
func (c *console) brokers() (string, error) {
	metadata, err := c.admin.Metadata(c.ctx)
	if err != nil {
		return "", err
	}
	described, err := c.admin.DescribeAllLogDirs(c.ctx, nil)
	if err != nil {
		return "", err
	}
	for _, dir := range described.Sorted() {
		if dir.Err != nil {
			return "", dir.Err
		}
	}
	return fmt.Sprintf("%d, of %d log directories", len(metadata.Brokers), len(described.Sorted())), nil
}

// security: DescribeClientQuotas and AlterClientQuotas of the quota service, the user service, ListAllACLs, and the reassignments.
func (c *console) security() {
	c.page("quotas, none", c.quotas)
	c.page("set quotas", func() (string, error) {
		return c.alterQuota("client-id", "app", "producer_byte_rate", 1048576, false)
	})
	c.page("set quota of the default user", func() (string, error) {
		return c.alterQuota("user", "", "request_percentage", 200, false)
	})
	c.page("quotas", c.quotas)
	c.page("set wrong quota", func() (string, error) { return c.alterQuota("client-id", "app", "producer_byte_rate", -1, false) })
	c.page("delete quotas", func() (string, error) {
		if _, err := c.alterQuota("user", "", "request_percentage", 0, true); err != nil {
			return "", err
		}
		return c.alterQuota("client-id", "app", "producer_byte_rate", 0, true)
	})
	c.page("users, none", c.users)
	c.page("create user", func() (string, error) {
		password := kadm.UpsertSCRAM{User: "alice", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "secret"}
		return c.alterUser(nil, []kadm.UpsertSCRAM{password})
	})
	c.page("create user with SHA-512", func() (string, error) {
		password := kadm.UpsertSCRAM{User: "bob", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "secret"}
		return c.alterUser(nil, []kadm.UpsertSCRAM{password})
	})
	c.page("users", c.users)
	c.page("delete users", func() (string, error) {
		var all []kadm.DeleteSCRAM
		described, err := c.admin.DescribeUserSCRAMs(c.ctx, "alice", "bob")
		if err != nil {
			return "", err
		}
		for _, user := range described.Sorted() {
			for _, credential := range user.CredInfos {
				all = append(all, kadm.DeleteSCRAM{User: user.User, Mechanism: credential.Mechanism})
			}
		}
		return c.alterUser(all, nil)
	})
	c.page("delete absent user", func() (string, error) {
		return c.alterUser([]kadm.DeleteSCRAM{{User: "alice", Mechanism: kadm.ScramSha256}}, nil)
	})
	c.page("access control lists", func() (string, error) {
		req := kmsg.DescribeACLsRequest{ResourceType: kmsg.ACLResourceTypeAny, ResourcePatternType: kmsg.ACLResourcePatternTypeAny,
			Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}
		res, err := req.RequestWith(c.ctx, c.cl)
		if err != nil {
			return "", err
		}
		if err := kafkaError(res.ErrorCode, res.ErrorMessage); errors.Is(err, kerr.SecurityDisabled) {
			return "no authorizer", nil
		} else if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d resources", len(res.Resources)), nil
	})
	c.page("reassignments", func() (string, error) {
		req := kmsg.NewListPartitionReassignmentsRequest()
		req.Topics = nil
		res, err := req.RequestWith(c.ctx, c.cl)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d topics", len(res.Topics)), kerr.ErrorForCode(res.ErrorCode)
	})
	c.page("reassign to where it is", c.reassign)
}

// quotas is ListQuotas, which fails on a key of a value that it does not know.
func (c *console) quotas() (string, error) {
	req := &kmsg.DescribeClientQuotasRequest{}
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	if err := kafkaError(res.ErrorCode, res.ErrorMessage); err != nil {
		return "", err
	}
	shown := []string{}
	for _, entry := range res.Entries {
		for _, entity := range entry.Entity {
			name := "<default>"
			if entity.Name != nil {
				name = *entity.Name
			}
			for _, value := range entry.Values {
				shown = append(shown, fmt.Sprintf("%s %s: %s %.0f", entity.Type, name, value.Key, value.Value))
			}
		}
	}
	slices.Sort(shown)
	return strings.Join(shown, "; "), nil
}

// alterQuota is SetQuota and DeleteQuota; an empty name is the default entity.
func (c *console) alterQuota(kind, name, key string, value float64, remove bool) (string, error) {
	entity := kmsg.AlterClientQuotasRequestEntryEntity{Type: kind}
	if name != "" {
		entity.Name = &name
	}
	req := &kmsg.AlterClientQuotasRequest{Entries: []kmsg.AlterClientQuotasRequestEntry{{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{entity},
		Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value, Remove: remove}},
	}}}
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	return "done", kafkaError(res.Entries[0].ErrorCode, res.Entries[0].ErrorMessage)
}

// users is ListUsers of the user service.
func (c *console) users() (string, error) {
	described, err := c.admin.DescribeUserSCRAMs(c.ctx)
	if err != nil {
		return "", err
	}
	shown := []string{}
	for _, user := range described.Sorted() {
		if user.Err != nil {
			return "", user.Err
		}
		for _, credential := range user.CredInfos {
			shown = append(shown, fmt.Sprintf("%s %s %d", user.User, credential.Mechanism, credential.Iterations))
		}
	}
	return strings.Join(shown, "; "), nil
}

func (c *console) alterUser(del []kadm.DeleteSCRAM, upsert []kadm.UpsertSCRAM) (string, error) {
	results, err := c.admin.AlterUserSCRAMs(c.ctx, del, upsert)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d users", len(results)), results.Error()
}

// reassign is AlterPartitionAssignments, which the page calls with the replicas that partitions shall have.
func (c *console) reassign() (string, error) {
	metadata, err := c.admin.Metadata(c.ctx, consoleTopic)
	if err != nil {
		return "", err
	}
	topic := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	topic.Topic = consoleTopic
	partition := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	partition.Partition = 0
	partition.Replicas = metadata.Topics[consoleTopic].Partitions[0].Replicas
	topic.Partitions = append(topic.Partitions, partition)
	req := kmsg.NewAlterPartitionAssignmentsRequest()
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	if err := kafkaError(res.ErrorCode, res.ErrorMessage); err != nil {
		return "", err
	}
	return "accepted", kafkaError(res.Topics[0].Partitions[0].ErrorCode, res.Topics[0].Partitions[0].ErrorMessage)
}
