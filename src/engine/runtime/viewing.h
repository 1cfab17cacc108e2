#pragma once
// Answers the RTSP server's questions from the policy in force: who may see what, and from which hub.
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/directory.h"
#include "runtime/event_queue.h"
#include "sink/stream_provider.h"

namespace vigie::runtime {

// Thread: every method from any thread.
class Viewing final : public sink::StreamProvider {
 public:
  // `loops` in shard order; they outlive this object.
  Viewing(const Clock& clock, EventQueue& events, std::vector<net::EventLoop*> loops);

  // Puts a new directory in force for everything asked from now on.
  void publish(Ref<const Directory> directory);
  Ref<const Directory> directory() const;

  // The pipeline behind a camera's name, with or without "@version", and a stream's (empty: the first), for embedding.
  // `version`: the form that was named, empty for the camera's own. Errors: not_found.
  struct Found {
    std::shared_ptr<StreamPipeline> pipeline;
    std::string version;
  };
  Result<Found> find(std::string_view camera, std::string_view stream) const;

  void open(const sink::ViewRequest& request, Nanos timeout, Reply reply) override;
  Status still_allowed(const sink::ViewRequest& request, const StreamKey& key) override;
  std::optional<WallTime> right_ends(const sink::ViewRequest& request, const StreamKey& key) override;
  WallTime rights_now(const Clock& clock) const override;
  Result<sink::CameraPage> list(const sink::ViewRequest& request, std::string_view after, size_t limit) override;
  std::optional<rtsp::Secret> credential(const std::string& agent) override;
  Result<std::shared_ptr<const rtsp::Ticket>> ticket(std::string_view sealed) override;
  uint64_t revision() const override { return directory()->snapshot->revision; }
  void emit(Event event) override { events_.push(std::move(event)); }

 private:
  // The agent behind a request that comes without a ticket; null on an open listener. Errors: not_authorized, whatever
  // the camera would be.
  Result<const policy::AgentPolicy*> asking(const Directory& directory, const sink::ViewRequest& request) const;
  // Whether a ticket's right stands under this policy, for this stream.
  Status ticket_allows(const Directory& directory, const rtsp::Ticket& ticket, const StreamKey& key) const;
  // `key`: of the camera, with the stream's name resolved.
  Status allowed(const Directory& directory, const sink::ViewRequest& request, const Directory::Camera& camera,
                 const StreamKey& key) const;

  const Clock& clock_;
  EventQueue& events_;
  const std::vector<net::EventLoop*> loops_;
  mutable std::mutex mutex_;
  Ref<const Directory> directory_;
};

// Keeps a stream wanted in one of its forms while it lives. May die on any thread.
class PipelineHold final : public sink::StreamHold {
 public:
  // Errors: as StreamPipeline::acquire. Thread: the pipeline's home shard.
  static Result<std::shared_ptr<PipelineHold>> take(const std::shared_ptr<StreamPipeline>& pipeline,
                                                    const std::shared_ptr<Outlet>& outlet) {
    if (Status acquired = pipeline->acquire(*outlet); !acquired.ok()) return std::move(acquired).error();
    return std::shared_ptr<PipelineHold>(new PipelineHold(pipeline, outlet));
  }
  ~PipelineHold() override {
    net::EventLoop& loop = pipeline_->loop();
    loop.post([pipeline = std::move(pipeline_), outlet = std::move(outlet_)] { pipeline->release(*outlet); });
  }

 private:
  PipelineHold(std::shared_ptr<StreamPipeline> pipeline, std::shared_ptr<Outlet> outlet)
      : pipeline_(std::move(pipeline)), outlet_(std::move(outlet)) {}

  std::shared_ptr<StreamPipeline> pipeline_;
  std::shared_ptr<Outlet> outlet_;
};

}  // namespace vigie::runtime
